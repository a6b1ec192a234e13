/** What the engine does when a tool wants to run. */
export type PermissionAction = 'allow' | 'ask' | 'deny'

/** The engine's `permission` setting: an action for everything, or per tool, or per tool and pattern (the last match wins). */
export type PermissionConfig = PermissionAction | Record<string, PermissionAction | Record<string, PermissionAction>>

/**
 * What tools may do where a tenant says nothing. Nobody sits in front of a worker, so nothing asks: what is safe inside
 * the sandbox is allowed, what leaves it is denied.
 *
 * - `external_directory`: only the session's own directory. (A shell command can still read the container's files, none of which is secret.)
 * - `question`: denied, because a turn would wait for an answer that may never come. A tenant may set it to `ask`.
 * - `doom_loop`: denied: the same call three times in a row ends instead of asking.
 */
export const defaultPermissions: Record<string, PermissionAction> = {
  '*': 'allow',
  external_directory: 'deny',
  question: 'deny',
  doom_loop: 'deny',
}

/** How much an action lets through; a tenant may only go down. */
const freedom: Record<PermissionAction, number> = { allow: 2, ask: 1, deny: 0 }

/**
 * The permissions of a tenant's turns: the default, tightened. Where the tenant's setting would loosen the default the
 * default stays; `question` may be raised to `ask`, since asking runs nothing.
 * @throws Error that quotes a setting which is none of allow, ask, deny.
 */
export function tighten(tenant: unknown): Record<string, PermissionAction | Record<string, PermissionAction>> {
  const result: Record<string, PermissionAction | Record<string, PermissionAction>> = { ...defaultPermissions }
  if (tenant === undefined || tenant === null) return result
  const rules = typeof tenant === 'string' ? { '*': tenant } : tenant
  if (typeof rules !== 'object' || Array.isArray(rules)) throw new Error(`permission must be an action or an object, not ${JSON.stringify(tenant)}`)
  const everything = baseOf((rules as Record<string, unknown>)['*'], 'allow')
  for (const [tool, base] of Object.entries(defaultPermissions)) result[tool] = stricter(base, everything)
  for (const [tool, setting] of Object.entries(rules as Record<string, unknown>)) {
    const base = defaultPermissions[tool] ?? 'allow'
    if (typeof setting === 'object' && setting !== null && !Array.isArray(setting)) {
      // Later patterns win in the engine, so the catch-all comes first.
      const patterns: Record<string, PermissionAction> = { '*': stricter(base, everything) }
      for (const [pattern, action] of Object.entries(setting)) patterns[pattern] = stricter(base, check(action, `${tool}."${pattern}"`))
      result[tool] = patterns
    } else {
      const action = check(setting, tool)
      result[tool] = tool === 'question' && action === 'ask' ? 'ask' : stricter(base, action)
    }
  }
  return result
}

function baseOf(setting: unknown, fallback: PermissionAction): PermissionAction {
  if (setting === undefined) return fallback
  return typeof setting === 'object' ? fallback : check(setting, '*')
}

function check(value: unknown, where: string): PermissionAction {
  if (value === 'allow' || value === 'ask' || value === 'deny') return value
  throw new Error(`permission ${where} must be allow, ask or deny, not ${JSON.stringify(value)}`)
}

function stricter(a: PermissionAction, b: PermissionAction): PermissionAction {
  return freedom[a] <= freedom[b] ? a : b
}
