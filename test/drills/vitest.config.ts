import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'drills', root: import.meta.dirname, include: ['**/*.test.ts'], fileParallelism: false, testTimeout: 900_000, hookTimeout: 3_600_000 },
})
