/**
 * Makes any text a parameter that PostgreSQL takes. U+0000, which no text column holds, becomes U+FFFD, as a lone surrogate
 * does on its way into UTF-8. JSON that comes from `JSON.stringify` holds neither and stays as it is.
 */
export function storable(values: readonly unknown[]): unknown[] {
  return values.map((value) => {
    if (typeof value === 'string')
      return value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value
    return Array.isArray(value) ? storable(value) : value
  })
}
