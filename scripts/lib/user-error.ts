/** A mistake of the person at the keyboard: printed as one line without a stack, exit code 1. */
export class UserError extends Error {
  override readonly name = 'UserError'
}

/**
 * Runs a script's main function and turns its failures into what a person expects: a {@link UserError} prints its message
 * alone, anything else is a bug and keeps its stack. Both exit with code 1.
 */
export async function main(run: () => Promise<void> | void): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (error instanceof UserError) process.stderr.write(`error: ${error.message}\n`)
    else process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 1
  }
}
