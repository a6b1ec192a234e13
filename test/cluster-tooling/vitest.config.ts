import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'cluster-tooling', root: import.meta.dirname, include: ['**/*.test.ts'] },
})
