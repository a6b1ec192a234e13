import type { ExtraValues } from '../../schemas/extra.ts'

export const extra: ExtraValues = { extraObjects: {} }
