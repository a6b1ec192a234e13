import {
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose'
import { egressFetch } from './egress.ts'
import { memberScopes, tenantPattern, type Identity } from './people/identity.ts'
import { Problem } from './problem.ts'

/** What tokens are checked against. */
export interface AuthConfig {
  /** HS256 key. */
  secret: string
  /** The key before the last rotation; tokens signed with it are still good. */
  previousSecret?: string | undefined
  /** RS256 and ES256 tokens are checked against this key set. */
  jwksURL?: string | undefined
  /** @default 'opencode' */
  issuer?: string
  /** @default 'opencode' */
  audience?: string
}

/** Checks JSON Web Tokens. */
export interface Authenticator {
  /** Whose token this is. @throws Problem 401 that says what is wrong, 503 when the key set cannot be read */
  verify(token: string): Promise<Identity>
}

/** Makes the check of JSON Web Tokens. */
export function createAuthenticator({
  secret,
  previousSecret,
  jwksURL,
  issuer = 'opencode',
  audience = 'opencode',
}: AuthConfig): Authenticator {
  const encode = (key: string) => new TextEncoder().encode(key)
  const keys = [secret, previousSecret].filter((key): key is string => Boolean(key)).map(encode)
  const remote: JWTVerifyGetKey | undefined = jwksURL
    ? createRemoteJWKSet(new URL(jwksURL), {
        [customFetch]: egressFetch(),
        timeoutDuration: 3_000,
        cooldownDuration: 10_000,
        cacheMaxAge: 600_000,
      })
    : undefined
  const common = { issuer, audience, clockTolerance: 5, requiredClaims: ['exp', 'sub'] }

  async function payloadOf(token: string): Promise<JWTPayload> {
    if (algorithmOf(token) !== 'HS256') {
      if (remote === undefined)
        throw unauthorized('the token is not signed with HS256, and JWT_JWKS_URL is not set')
      return (
        await jwtVerify(token, keyFrom(remote), { ...common, algorithms: ['RS256', 'ES256'] })
      ).payload
    }
    for (const [index, key] of keys.entries()) {
      try {
        return (await jwtVerify(token, key, { ...common, algorithms: ['HS256'] })).payload
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed) || index === keys.length - 1)
          throw error
      }
    }
    throw unauthorized('no key is configured')
  }

  async function verify(token: string): Promise<Identity> {
    try {
      return identityOf(await payloadOf(token))
    } catch (error) {
      if (error instanceof Problem) throw error
      throw unauthorized(reasonOf(error, issuer, audience))
    }
  }

  return { verify }
}

function algorithmOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).alg
  } catch (cause) {
    throw unauthorized('the token is not a valid JWT', cause)
  }
}

/** A key set that cannot be read is this service's trouble, not the client's: its token may be good. */
function keyFrom(remote: JWTVerifyGetKey): JWTVerifyGetKey {
  return async (header, token) => {
    try {
      return await remote(header, token)
    } catch (error) {
      const { JWKSNoMatchingKey, JWKSMultipleMatchingKeys, JOSENotSupported } = errors
      if (
        [JWKSNoMatchingKey, JWKSMultipleMatchingKeys, JOSENotSupported].some(
          (kind) => error instanceof kind,
        )
      )
        throw error
      throw new Problem(503, 'the key set for tokens cannot be read now; try again', {
        headers: { 'retry-after': '5' },
        cause: error,
      })
    }
  }
}

/**
 * The token in an `Authorization` header: `Bearer <token>`, or `Basic` with the token as the password.
 * @throws Problem 401 that says what is wrong
 */
export function tokenOf(authorization: string | undefined): string {
  if (!authorization)
    throw unauthorized(
      'send "Authorization: Bearer <token>", or HTTP basic auth with the token as the password',
    )
  const [scheme = '', value = ''] = authorization.split(/\s+/, 2)
  if (value.length === 0 || value.length > 16_384)
    throw unauthorized('the Authorization header holds no token')
  if (scheme.toLowerCase() === 'bearer') return value
  if (scheme.toLowerCase() !== 'basic')
    throw unauthorized('the scheme of the Authorization header must be Bearer or Basic')
  const decoded = Buffer.from(value, 'base64').toString('utf8')
  const password = decoded.slice(decoded.indexOf(':') + 1)
  if (!decoded.includes(':') || password === '')
    throw unauthorized('HTTP basic auth needs the token as the password')
  return password
}

function identityOf(payload: JWTPayload): Identity {
  const { sub, tenant, name, exp } = payload as Record<string, unknown>
  if (typeof sub !== 'string' || sub === '' || sub.length > 256)
    throw unauthorized('the token needs a "sub" claim that names the user')
  if (typeof tenant !== 'string' || !tenantPattern.test(tenant)) {
    throw unauthorized(
      'the token needs a "tenant" claim of letters, digits, ".", "_" and "-", 64 characters at most',
    )
  }
  return {
    tenant,
    user: sub,
    ...(typeof name === 'string' ? { name } : {}),
    scopes: memberScopes,
    ...(typeof exp === 'number' ? { expires: exp } : {}),
  }
}

function reasonOf(error: unknown, issuer: string, audience: string): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired; get a new one'
  if (error instanceof errors.JWTClaimValidationFailed) {
    const wanted =
      error.claim === 'iss' ? ` "${issuer}"` : error.claim === 'aud' ? ` "${audience}"` : ''
    return `the token's "${error.claim}" claim is missing or not what this service accepts${wanted}`
  }
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return 'the token is not signed with a key this service accepts'
  if (error instanceof errors.JWKSNoMatchingKey)
    return 'the key set has no key with the id the token names'
  return 'the token is not a valid JWT'
}

/** A refusal of somebody whom nobody knows. */
export function unauthorized(detail: string, cause?: unknown): Problem {
  return new Problem(401, detail, {
    cause,
    headers: {
      'www-authenticate': 'Basic realm="opencode", charset="UTF-8", Bearer realm="opencode"',
    },
  })
}
