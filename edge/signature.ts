const encoder = new TextEncoder()
const keys = new Map<string, Promise<CryptoKey>>()

/** HMAC-SHA256 as lower-case hexadecimal. Keys are imported once an isolate. */
export async function sign(secret: string, text: string): Promise<string> {
  let key = keys.get(secret)
  if (key === undefined) {
    key = crypto.subtle.importKey('raw', encoder.encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    keys.set(secret, key)
  }
  return hex(new Uint8Array(await crypto.subtle.sign('HMAC', await key, encoder.encode(text))))
}

/** Compares in a time that does not tell how much of it is equal. */
export async function sameText(a: string, b: string): Promise<boolean> {
  // Compared through a keyed digest: lengths and prefixes do not show.
  const secret = crypto.randomUUID()
  const [left, right] = await Promise.all([a, b].map((text) => signOnce(secret, text)))
  return left === right
}

async function signOnce(secret: string, text: string): Promise<string> {
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return hex(new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(text))))
}

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Bytes as lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += digits[byte] ?? ''
  return text
}
