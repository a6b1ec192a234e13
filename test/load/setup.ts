import { createProgress } from '../../cluster/progress.ts'
import { ensureLoadService } from './service.ts'

/** The service that load and deliveries need. It stays: the suites after this one use it too. */
export default async function setup(): Promise<void> {
  await ensureLoadService(createProgress())
}
