import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'images', root: import.meta.dirname, include: ['*.test.ts'] },
})
