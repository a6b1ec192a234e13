import type { Overlay } from '../schemas/index.ts'
import { production } from './profiles/production.ts'
import { regions } from './regions.ts'

/** Production in the region `apac`. */
export const apac: Overlay = production(regions.apac)
