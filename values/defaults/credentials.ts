import type { CredentialsValues } from '../../schemas/credentials.ts'

export const credentials: CredentialsValues = {
  credentials: {
    generate: true,
    postgres: { passwordKey: 'password' },
    redis: { passwordKey: 'password' },
    api: {
      jwtSecretKey: 'jwt-secret',
      jwtSecretPreviousKey: 'jwt-secret-previous',
      turnTokenSecretKey: 'turn-token-secret',
      edgeSecretKey: 'edge-secret',
    },
    tickets: { privateKeyKey: 'private-key', publicKeyKey: 'public-key' },
    llm: {},
    job: { backoffLimit: 10, activeDeadlineSeconds: 600 },
  },
}
