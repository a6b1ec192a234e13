import { defineConfig } from 'vitest/config'

// The policy's arithmetic only: what needs load and minutes is `npm run scale`.
export default defineConfig({
  test: { name: 'scaling', root: import.meta.dirname, include: ['*.test.ts'] },
})
