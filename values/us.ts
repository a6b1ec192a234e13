import type { Overlay } from '../schemas/index.ts'
import { production } from './profiles/production.ts'
import { regions } from './regions.ts'

/** Production in the region `us`. */
export const us: Overlay = production(regions.us)
