const encoder = new TextEncoder()
const keys = new Map<string, CryptoKey>()

/** HMAC-SHA256 as lower-case hexadecimal. Keys are imported once an isolate. */
export async function sign(secret: string, text: string): Promise<string> {
  const key = keys.get(secret) ?? (await importKey(secret))
  return hex(new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(text))))
}

async function importKey(secret: string): Promise<CryptoKey> {
  const key = await crypto.subtle.importKey(
    'raw',
    encoder.encode(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  keys.set(secret, key)
  return key
}

/** Compares in a time that does not tell how much of it is equal. */
export async function sameText(a: string, b: string): Promise<boolean> {
  // Digests have one length, which timingSafeEqual needs, and do not show the texts' own.
  const digest = (text: string): Promise<ArrayBuffer> =>
    crypto.subtle.digest('SHA-256', encoder.encode(text))
  return crypto.subtle.timingSafeEqual(await digest(a), await digest(b))
}

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Bytes as lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += digits[byte] ?? ''
  return text
}
