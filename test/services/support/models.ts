import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  parseLlmConfig,
  type LlmConfig,
  type LlmConfigInput,
} from '../../../services/runtime/llm-config.ts'
import { startAnthropicModel } from '../../models/anthropic.ts'
import { startCompatibleModel } from '../../models/openai.ts'
import type { ModelServer } from '../../models/server.ts'
import { tempDir } from './process.ts'

/** A scripted model of each kind, and the configuration that names them. */
export interface Models {
  readonly openai: ModelServer
  readonly anthropic: ModelServer
  readonly llm: LlmConfig
  /** The configuration as a file, for `LLM_CONFIG`. */
  readonly file: string
  stop(): Promise<void>
}

/**
 * Starts both; `scripted/one` is the default, `claude/two` the other.
 * @param own - Configuration that takes the place of theirs.
 */
export async function startModels(own?: LlmConfigInput): Promise<Models> {
  const [openai, anthropic] = await Promise.all([startCompatibleModel(), startAnthropicModel()])
  const llm = parseLlmConfig(
    own ?? {
      providers: {
        scripted: { kind: 'openai', baseURL: openai.url, models: { one: { name: 'Scripted' } } },
        claude: { kind: 'anthropic', baseURL: anthropic.url, models: { two: {} } },
      },
      model: 'scripted/one',
    },
  )
  const directory = tempDir('llm')
  const file = join(directory, 'llm.json')
  writeFileSync(file, JSON.stringify(llm))
  return {
    openai,
    anthropic,
    llm,
    file,
    stop: async () => {
      await Promise.all([openai.close(), anthropic.close()])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
