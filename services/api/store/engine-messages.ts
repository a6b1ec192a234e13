/** A request to be made against a session's engine. */
export interface EngineRequest {
  method: string
  path: string
  query?: Record<string, string>
  body?: unknown
}

/** What the engine answered. */
export interface EngineAnswer {
  status: number
  headers: Record<string, string>
  body: unknown
}
