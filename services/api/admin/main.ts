// `admin` in the API's image: kubectl exec deploy/opencode-api -- admin --help
import {
  createDatabase,
  databaseConfigFromEnv,
  isConnectionError,
} from '../../runtime/database/index.ts'
import { runCommand, UsageError } from './command.ts'
import { peopleCommands } from './people.ts'
import { tenantCommands } from './tenants.ts'

let database: ReturnType<typeof createDatabase> | undefined
try {
  const text = await runCommand(
    { ...peopleCommands, ...tenantCommands },
    process.argv.slice(2),
    () => {
      const { primary } = databaseConfigFromEnv()
      database = createDatabase({ primary: { ...primary, poolSize: 1 } })
      return { database, publicURL: process.env['PUBLIC_URL'] || 'http://127.0.0.1:3000' }
    },
  )
  process.stdout.write(`${text}\n`)
} catch (error) {
  process.exitCode = 1
  const words = error instanceof Error ? error.message : String(error)
  process.stderr.write(
    error instanceof UsageError
      ? `${words}\n`
      : isConnectionError(error)
        ? `the database does not answer (${words}): see "kubectl get pods" and try again\n`
        : `this failed: ${error instanceof Error ? (error.stack ?? words) : words}\n`,
  )
} finally {
  await database?.close()
}
