/** Events of the log that clients know; the rest of the log is kept for the engine alone. */
const shown = /^(session\.(created|updated|deleted)|message\.(part\.)?(updated|removed))\.\d+$/

/** Whether clients see a durable event of this type. */
export function isShown(type: string): boolean {
  return shown.test(type)
}

/** Types that a turn may pass on about one of its sessions. Nothing else that a sandbox says reaches a client. */
const ofSession = new Set([
  'command.executed',
  'message.part.delta',
  'permission.asked',
  'permission.replied',
  'question.asked',
  'question.rejected',
  'question.replied',
  'session.compacted',
  'session.diff',
  'session.error',
  'session.idle',
  'session.status',
  'todo.updated',
])

/** Types that a turn may pass on about its files, without naming a session. */
const ofDirectory = new Set([
  'file.edited',
  'file.watcher.updated',
  'lsp.client.diagnostics',
  'lsp.updated',
  'vcs.branch.updated',
])

/** What a passing event of this type is about; undefined for what no client may get from a turn. */
export function subjectOf(type: string): 'session' | 'directory' | undefined {
  if (ofSession.has(type)) return 'session'
  return ofDirectory.has(type) ? 'directory' : undefined
}

/** What clients get of a durable event: of a deleted session only its ids, so that they forget it. */
export function shownProperties(
  type: string,
  data: Record<string, unknown>,
): Record<string, unknown> {
  if (!type.startsWith('session.deleted.')) return data
  const { id, parentID } = (data['info'] ?? {}) as { id?: unknown; parentID?: unknown }
  return { sessionID: data['sessionID'], info: { id, parentID } }
}
