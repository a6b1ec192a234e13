import { createHash, randomBytes } from 'node:crypto'

/** Secrets that open a door: each kind has a prefix, by which scanners find one that has leaked. */
const prefixes = { link: 'ocl_', browser: 'ocb_', token: 'oct_' } as const

/** What a secret is: a sign-in link's, a browser's cookie, a personal access token. */
export type SecretKind = keyof typeof prefixes

/** A new secret of 256 random bits. It is shown once; only its hash is stored. */
export function newSecret(kind: SecretKind): string {
  return prefixes[kind] + randomBytes(32).toString('base64url')
}

/** Whether a text has the form of such a secret. */
export function isSecret(kind: SecretKind, text: string): boolean {
  return text.startsWith(prefixes[kind]) && /^oc[lbt]_[\w-]{43}$/.test(text)
}

/** What is stored of a secret. It has too many bits to be guessed, so that no slow hash is needed. */
export function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** A name for a secret that may be shown and logged. */
export function secretID(): string {
  return randomBytes(8).toString('hex')
}
