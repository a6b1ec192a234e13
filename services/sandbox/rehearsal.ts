import { rehearsalProvider } from '../runtime/engine-config.ts'
import type { Engine } from './engine.ts'

const model = { providerID: rehearsalProvider, modelID: 'demo' }

/** Longest rehearsal, ms; an engine that takes longer is used as it is. */
const TIMEOUT = 20_000

/**
 * Runs one turn with one tool call in an engine that waits for work, with the scripted demo model, and removes it again. An engine's
 * first turn takes a second longer than its next ones, as it loads and compiles what it needs: this one is nobody's.
 * @throws Error when the engine does not go along.
 */
export async function rehearse(engine: Engine): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT)
  const ask = async (method: string, path: string, body?: unknown): Promise<string> => {
    const answer = await engine.ask({ method, path, body }, signal)
    if (answer.status !== 200)
      throw new Error(`the engine answered ${answer.status.toString()} to ${path} of a rehearsal`)
    return answer.body
  }
  const { id } = JSON.parse(await ask('POST', '/session', { title: 'Rehearsal' })) as { id: string }
  await ask('POST', `/session/${id}/message`, {
    model,
    parts: [{ type: 'text', text: 'Use a tool.' }],
  })
  await ask('DELETE', `/session/${id}`)
  await ask('POST', '/instance/dispose')
}
