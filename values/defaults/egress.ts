import type { EgressValues } from '../../schemas/egress.ts'

export const egress: EgressValues = { egress: { noProxy: [] } }
