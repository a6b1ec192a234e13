import { cloudflareTest } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'
import { compatibilityDate, edgeVariable } from '../../edge/tools/wrangler.ts'

export default defineConfig({
  plugins: [
    cloudflareTest({
      main: '../../edge/src/worker.ts',
      miniflare: {
        compatibilityDate,
        bindings: {
          EDGE: { ...edgeVariable(), settings: { probeInterval: 600_000 } } as never,
          EDGE_SECRET: 'edge',
          AFFINITY_SECRET: 'affinity',
          OPERATOR_TOKEN: 'operator',
        },
        // Nothing here talks to a real region.
        outboundService: () => new Response('', { status: 503 }) as never,
        durableObjects: { HEALTH: { className: 'HealthObject', useSQLite: true } },
      },
    }),
  ],
  // No test needs a second; a busy machine may.
  test: {
    name: 'edge',
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
