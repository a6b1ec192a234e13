/** What a credential may be used for. */
export const scopes = ['read', 'write', 'shell', 'admin'] as const

/**
 * `read`: look at everything; `write`: change it and send prompts; `shell`: run commands without a model;
 * `admin`: administer the tenant.
 */
export type Scope = (typeof scopes)[number]

/** What a person is in a tenant. */
export type Role = 'member' | 'admin'

/** Who makes a request. */
export interface Identity {
  tenant: string
  /** The person's id: a token's subject. */
  user: string
  name?: string
  /** What this credential may be used for. */
  scopes: readonly Scope[]
  /** End of the credential, seconds since the epoch. */
  expires?: number
  /** Id of the browser session or access token; absent for a JWT. */
  credential?: string
}

/** What members may do. */
export const memberScopes: readonly Scope[] = ['read', 'write', 'shell']

/** Those of the wanted scopes that the role allows. */
export function scopesOf(role: Role, wanted: readonly Scope[] = scopes): Scope[] {
  return wanted.filter((scope) => role === 'admin' || scope !== 'admin')
}

/** Tenant ids are part of channel names and logs, so their letters are limited. */
export const tenantPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/
