import type { Overlay } from '../schemas/index.ts'
import { apac } from './apac.ts'
import { eu } from './eu.ts'
import { kind } from './kind.ts'
import { openshift } from './openshift.ts'
import { us } from './us.ts'

/** Every overlay of the defaults, by the name of its file. */
export const overlays: Readonly<Record<string, Overlay>> = { us, eu, apac, kind, openshift }
