import type { Overlay } from '../schemas/index.ts'
import { kind } from './kind.ts'

/** Every overlay of the defaults, by the name of its file. */
export const overlays: Readonly<Record<string, Overlay>> = { kind }
