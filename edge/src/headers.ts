import { hex } from './signature.ts'

// Hop-by-hop fields end here: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** Fields that only the edge may set: what a client sends in them is dropped. */
const trusted = new Set([
  'x-request-id',
  'x-real-ip',
  'x-client-ip',
  'x-original-url',
  'x-rewrite-url',
  'x-original-host',
  'forwarded',
  'true-client-ip',
  'via',
  'host',
])
const trustedPrefixes = ['x-forwarded-', 'x-opencode-', 'x-envoy-']

/** What the edge says about a request in its own name. */
export interface EdgeFields {
  readonly requestID: string
  /** Scheme and host that the client asked for. */
  readonly protocol: string
  readonly host: string
  /** Address of the client as Cloudflare saw it. */
  readonly address: string | null
  /** Share of new traces that are marked as sampled. */
  readonly traceRatio: number
}

/** The headers for the origin: the client's without hop-by-hop and spoofable ones, and the edge's own. */
export function originHeaders(inbound: Headers, fields: EdgeFields): Headers {
  const headers = new Headers(inbound)
  // Walking the client's headers once and deleting what is there costs a third of deleting every name that might be.
  inbound.forEach((value, name) => {
    if (name === 'connection' && value !== 'keep-alive') dropNamed(headers, value)
    else if (name === 'upgrade' && value.toLowerCase() === 'websocket') return
    if (isDropped(name)) headers.delete(name)
  })
  headers.set('x-request-id', fields.requestID)
  headers.set('x-forwarded-host', fields.host)
  headers.set('x-forwarded-proto', fields.protocol)
  if (fields.address !== null) headers.set('x-forwarded-for', fields.address)
  const traceparent = inbound.get('traceparent')
  if (traceparent === null || !isTraceparent(traceparent)) {
    headers.set('traceparent', newTraceparent(fields.traceRatio))
    if (inbound.has('tracestate')) headers.delete('tracestate')
  }
  return headers
}

/** Deletes the fields that a `connection` field names: they are for this hop too. */
function dropNamed(headers: Headers, connection: string): void {
  for (const name of connection.split(',').map((item) => item.trim().toLowerCase())) {
    if (/^[\w-]+$/.test(name) && name !== 'upgrade') headers.delete(name)
  }
}

function isDropped(name: string): boolean {
  if (hopByHop.has(name) || trusted.has(name)) return true
  return name.startsWith('x-') && trustedPrefixes.some((prefix) => name.startsWith(prefix))
}

/** The client's request id if it is harmless, else a new one. Never echoed raw: it ends in logs. */
export function requestID(given: string | null): string {
  return given !== null && /^[\w\-=]{8,128}$/.test(given) ? given : crypto.randomUUID()
}

/** Whether a value is a traceparent: https://www.w3.org/TR/trace-context/#traceparent-header */
export function isTraceparent(value: string): boolean {
  return /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]$/.test(value)
}

function newTraceparent(ratio: number): string {
  return `00-${randomHex(32)}-${randomHex(16)}-0${Math.random() < ratio ? '1' : '0'}`
}

let digits = ''
let taken = 0

/** Random digits from a store: each call to the runtime for a few costs more than they do. */
function randomHex(count: number): string {
  if (taken + count > digits.length) {
    digits = hex(crypto.getRandomValues(new Uint8Array(1_200)))
    taken = 0
  }
  taken += count
  return digits.slice(taken - count, taken)
}
