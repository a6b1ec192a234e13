import type { GlobalValues } from '../../schemas/global.ts'

export const global: GlobalValues = {
  global: {},
  region: 'local',
  commonLabels: {},
  commonAnnotations: {},
  imagePullSecrets: [],
  imageCredentials: {},
}
