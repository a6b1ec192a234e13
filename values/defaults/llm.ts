import type { LlmValues } from '../../schemas/llm.ts'

/** A scripted model that says it is one: the service can be tried before anybody has bought a key. */
export const llm: LlmValues = {
  llm: {
    providers: { demo: { kind: 'demo', models: { scripted: { name: 'Scripted demo model' } } } },
    model: 'demo/scripted',
    smallModel: 'demo/scripted',
    limits: { firstByteSeconds: 300, idleSeconds: 300, callsPerTurn: 8 },
  },
}
