interface Info {
  id: string
  sessionID: string
}
interface MessageInfo extends Info {
  time?: { created?: number }
}
interface Part extends Info {
  messageID: string
  type: string
}
/** An event as any of the streams carries it. */
export interface ReducedEvent {
  type: string
  properties: Record<string, unknown>
}

/** What OpenCode's clients (TUI, web interface) make of a stream: their rules for messages and parts. */
export class Reducer {
  /** By session, then by time of creation and id together, as the TUI looks for a message: another time is another message. */
  readonly #messages = new Map<string, Map<string, MessageInfo>>()
  readonly #parts = new Map<string, Map<string, Part>>()

  /** Begins with what GET answers, as a client does that opens a session. */
  load(sessionID: string, messages: readonly { info: Info; parts: Part[] }[]): void {
    this.#messages.set(sessionID, new Map(messages.map(({ info }) => [keyOf(info), info])))
    for (const { info, parts } of messages)
      this.#parts.set(info.id, new Map(parts.map((part) => [part.id, part])))
  }

  take({ type, properties }: ReducedEvent): void {
    const { info, part, messageID, partID } = properties as Record<string, string> & {
      info: Info
      part: Part
    }
    if (type === 'message.updated') entry(this.#messages, info.sessionID).set(keyOf(info), info)
    if (type === 'message.removed') {
      const known = this.#messages.get(String(properties['sessionID']))
      for (const [key, { id }] of known ?? []) if (id === messageID) known?.delete(key)
      this.#parts.delete(messageID ?? '')
    }
    if (type === 'message.part.updated') entry(this.#parts, part.messageID).set(part.id, part)
    if (type === 'message.part.removed') this.#parts.get(messageID ?? '')?.delete(partID ?? '')
    if (type === 'message.part.delta') {
      const known = this.#parts.get(messageID ?? '')?.get(partID ?? '') as
        Record<string, unknown> | undefined
      if (known === undefined) return
      const field = String(properties['field'])
      const before = (known[field] ?? '') as string
      const now = { ...known, [field]: before + String(properties['delta']) }
      this.#parts.get(messageID ?? '')?.set(partID ?? '', now as unknown as Part)
    }
  }

  /** A session's messages in the form of GET. */
  messages(sessionID: string): { info: Info; parts: Part[] }[] {
    const byID = (a: Info, b: Info) => (a.id < b.id ? -1 : 1)
    return [...(this.#messages.get(sessionID)?.values() ?? [])].sort(byID).map((info) => ({
      info,
      parts: [...(this.#parts.get(info.id)?.values() ?? [])].sort(byID),
    }))
  }
}

function keyOf({ id, time }: MessageInfo): string {
  return `${String(time?.created)} ${id}`
}

function entry<T>(maps: Map<string, Map<string, T>>, key: string): Map<string, T> {
  const known = maps.get(key) ?? new Map<string, T>()
  maps.set(key, known)
  return known
}
