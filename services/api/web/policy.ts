/**
 * The engine's own content security policy, closed further: its page may load and call nothing but
 * this host. An answer of a model could otherwise send what it knows elsewhere in an image's address.
 */
export function pagePolicy(engine: string): string {
  const closed: Record<string, string> = {
    'img-src': "'self' data: blob:",
    'connect-src': "'self' data: blob:",
    'object-src': "'none'",
    'base-uri': "'none'",
    'form-action': "'self'",
    'frame-ancestors': "'none'",
  }
  const kept = engine
    .split(';')
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '' && !((directive.split(/\s/)[0] ?? '') in closed))
  return [...kept, ...Object.entries(closed).map(([name, value]) => `${name} ${value}`)].join('; ')
}
