/** What the engine does when a tool wants to run. */
export type PermissionAction = 'allow' | 'ask' | 'deny'

/** One tool's rule: an action, or an action per pattern of its argument (the last match wins). */
export type PermissionRule = PermissionAction | Record<string, PermissionAction>

/**
 * What tools may do where a tenant says nothing. Nobody sits in front of a worker, so nothing asks: what is safe inside
 * the sandbox is allowed, what leaves it is denied. Tools not named here keep the engine's default, which is to allow;
 * a rule for `*` would also undo the restrictions that the engine's own agents bring (the plan agent must not edit).
 *
 * - `read`: the engine would ask before it reads `.env` files; in a session's own directory nobody need be asked.
 * - `external_directory`: only the session's own directory and scratch space.
 * - `question`: denied, because a turn would wait for an answer that may never come. A tenant may set it to `ask`.
 * - `doom_loop`: denied: the same call three times in a row ends instead of asking.
 */
export const defaultPermissions: Record<string, PermissionRule> = {
  read: 'allow',
  external_directory: { '*': 'deny', '/tmp/**': 'allow' },
  question: 'deny',
  doom_loop: 'deny',
}

/** How much an action lets through; a tenant may only go down. */
const freedom: Record<PermissionAction, number> = { allow: 2, ask: 1, deny: 0 }

/**
 * The permissions of a tenant's turns: the default, tightened. Where the tenant's setting would loosen the default, the
 * default stays; `question` may be raised to `ask`, since asking runs nothing.
 * @param tenant - The `permission` setting of a tenant's configuration: an action, or rules by tool.
 * @throws Error that quotes a setting which is none of allow, ask, deny.
 */
export function tighten(tenant: unknown): Record<string, PermissionRule> {
  if (tenant === undefined || tenant === null) return { ...defaultPermissions }
  const rules: unknown = typeof tenant === 'string' ? { '*': tenant } : tenant
  if (!isRules(rules))
    throw new Error(`permission must be an action or an object, not ${JSON.stringify(tenant)}`)
  // In the engine later rules win, so the one for every tool comes first.
  const everything = rules['*'] === undefined ? 'allow' : check(rules['*'], '*')
  const result: Record<string, PermissionRule> = everything === 'allow' ? {} : { '*': everything }
  for (const [tool, rule] of Object.entries(defaultPermissions))
    result[tool] = limited(rule, everything)
  for (const [tool, setting] of Object.entries(rules)) {
    if (tool === '*') continue
    const base = defaultPermissions[tool] ?? 'allow'
    if (tool === 'question' && setting === 'ask') result[tool] = 'ask'
    else if (!isRules(setting)) result[tool] = limited(base, check(setting, tool))
    else if (typeof base === 'object') result[tool] = mergedPatterns(base, setting, tool)
    else result[tool] = patterns(base, everything, setting, tool)
  }
  return result
}

function patterns(
  base: PermissionAction,
  everything: PermissionAction,
  setting: Record<string, unknown>,
  tool: string,
): PermissionRule {
  const result: Record<string, PermissionAction> = { '*': stricter(base, everything) }
  for (const [pattern, action] of Object.entries(setting))
    result[pattern] = stricter(base, check(action, `${tool}."${pattern}"`))
  return result
}

/** Two lists of patterns cannot be compared, so of the tenant's only those that deny count; they come last and win. */
function mergedPatterns(
  base: Record<string, PermissionAction>,
  setting: Record<string, unknown>,
  tool: string,
): PermissionRule {
  const denied = Object.entries(setting).filter(
    ([pattern, action]) => check(action, `${tool}."${pattern}"`) === 'deny',
  )
  return { ...base, ...Object.fromEntries(denied.map(([pattern]) => [pattern, 'deny' as const])) }
}

function limited(rule: PermissionRule, limit: PermissionAction): PermissionRule {
  if (typeof rule === 'string') return stricter(rule, limit)
  return Object.fromEntries(
    Object.entries(rule).map(([pattern, action]) => [pattern, stricter(action, limit)]),
  )
}

function isRules(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function check(value: unknown, where: string): PermissionAction {
  if (value === 'allow' || value === 'ask' || value === 'deny') return value
  throw new Error(`permission ${where} must be allow, ask or deny, not ${JSON.stringify(value)}`)
}

function stricter(a: PermissionAction, b: PermissionAction): PermissionAction {
  return freedom[a] <= freedom[b] ? a : b
}
