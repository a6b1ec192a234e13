import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    name: 'drills',
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    fileParallelism: false,
    // A drill against the example service takes eight seconds by its own pace.
    testTimeout: 60_000,
  },
})
