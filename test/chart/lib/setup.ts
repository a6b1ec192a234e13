import { prepareSchemas } from './kubernetes-schemas.ts'

/** Makes the JSON schemas that every rendered object is checked against, once a machine. */
export async function setup(): Promise<void> {
  await prepareSchemas((line) => process.stdout.write(`${line}\n`))
}
