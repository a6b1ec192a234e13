import { wranglerConfig } from './wrangler.ts'

/** The edge's generated files by their path below the project's folder. */
export function generateEdgeFiles(): Record<string, string> {
  return { 'edge/wrangler.jsonc': wranglerConfig() }
}
