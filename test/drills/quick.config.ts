import { defineConfig } from 'vitest/config'

// The quick drills on a real cluster. Not part of npm test: they have not been repeated often enough to be called stable.
export default defineConfig({
  test: {
    name: 'quick-drills', root: import.meta.dirname, include: ['quick.test.ts'], fileParallelism: false,
    testTimeout: 900_000, hookTimeout: 3_600_000,
  },
})
