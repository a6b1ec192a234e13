import { randomBytes } from 'node:crypto'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const mask = 0xffffffffffffn

let lastMillisecond = 0
let counter = 0

/** Kinds of ids that OpenCode knows, with their order: sessions are listed newest first, so their ids descend. */
const kinds = {
  session: { prefix: 'ses', descending: true },
  message: { prefix: 'msg', descending: false },
  part: { prefix: 'prt', descending: false },
  event: { prefix: 'evt', descending: false },
  permission: { prefix: 'per', descending: false },
  turn: { prefix: 'turn', descending: false },
} as const

/** What an id names. */
export type IdKind = keyof typeof kinds

/**
 * A new id in the engine's own form: prefix, 12 hex digits (the low 48 bits of milliseconds × 4096 + counter, complemented where
 * the order descends), 14 random base62 characters.
 */
export function createID(kind: IdKind, now = Date.now()): string {
  const { prefix, descending } = kinds[kind]
  if (now === lastMillisecond) counter += 1
  else {
    lastMillisecond = now
    counter = 1
  }
  const ascending = BigInt(now) * 0x1000n + BigInt(counter)
  const time = (descending ? ~ascending : ascending) & mask
  const random = Array.from(randomBytes(14), (byte) => alphabet[byte % alphabet.length]).join('')
  return `${prefix}_${time.toString(16).padStart(12, '0')}${random}`
}

/** Whether a string has the form of an id of this kind. Clients may choose their own tails: only prefix, length and letters count. */
export function isID(kind: IdKind, value: string): boolean {
  const { prefix } = kinds[kind]
  return (
    value.startsWith(`${prefix}_`) &&
    value.length > prefix.length + 4 &&
    value.length <= 64 &&
    /^[0-9A-Za-z_]+$/.test(value)
  )
}
