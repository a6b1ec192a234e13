import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    name: 'schemas',
    include: ['test/schemas/*.test.ts'],
    root: new URL('../..', import.meta.url).pathname,
    testTimeout: 300_000,
  },
})
