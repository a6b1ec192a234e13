import { expect, it } from 'vitest'
import { drills, quick } from './catalogue/index.ts'
import { $ } from 'zx'
import { substitute, type Drill, type Step } from './lib/drill.ts'
import { runbook, shellLine } from './lib/runbook.ts'

const drill: Drill = {
  name: 'example',
  title: 'Example',
  component: 'example',
  scenario: 'node',
  loads: ['write'],
  values: { node: ['kubectl', 'get', 'pod', 'a', '--output', 'jsonpath={.spec.nodeName}'] },
  inject: [{ title: 'Kill it', command: ['docker', 'kill', '$node'] }],
  recover: [
    {
      title: 'Take another',
      command: ['kubectl', 'apply', '--filename', '-'],
      input: 'node: $node\n',
      within: 60,
    },
  ],
  proof: [{ title: 'Write to it', command: ['sh', '-c', 'echo "$node" > $OUT'], refused: true }],
  restore: [
    { title: 'Ask', command: ['echo', 'a b'], saves: 'answer' },
    { title: 'Wait', command: ['echo', 't'], prints: 't', within: 9 },
    { title: 'Inside', command: ['sh', '-c', 'kill $(cat $PIDFILE)'], prints: 't' },
  ],
  deadlineSeconds: 1,
}

it('GIVEN a drill WHEN its runbook is written THEN the commands are shell lines that do the same', () => {
  const text = runbook(drill)
  expect(text).toContain("node=$(kubectl get pod a --output 'jsonpath={.spec.nodeName}')")
  expect(text).toContain('docker kill "$node"')
  expect(text).toContain(
    '1. Take another, within 60 s:\n\n   ```sh\n   until kubectl apply --filename - <<EOF\n   node: $node\n   EOF\n   do sleep 2; done',
  )
  expect(text).toContain('Write to it, which must fail:')
  expect(text).toContain("answer=$(echo 'a b')")
  expect(text).toContain('until test "$(echo t)" = t; do sleep 2; done')
  expect(text).toContain("Inside; it must print `t`:\n\n   ```sh\n   sh -c 'kill $(cat $PIDFILE)'")
})

it.each([
  ['sh', '-c', 'printf "%s" "$node" $HOME'],
  ['sh', '-c', "printf '%s' '$node'; echo `printf x` $(printf y)"],
  ['printf', '%s', '{"status":{"target":"$node"}}'],
  ['printf', '%s|%s', '$node', "it's \\ all"],
])(
  'GIVEN %s %s %s WHEN its line is typed into a shell THEN it does what the drill runs',
  async (...command) => {
    const quiet = $({ quiet: true })
    const ran = await quiet`${substitute(command, { node: 'n1' })}`
    const typed = await quiet`sh -c ${`node=n1; ${shellLine(command)}`}`
    expect(typed.stdout).toBe(ran.stdout)
  },
)

it('GIVEN the catalogue WHEN read THEN names are unique and every value a step uses is looked up', () => {
  expect(new Set(drills.map((one) => one.name)).size).toBe(drills.length)
  expect(quick.filter((name) => !drills.some((one) => one.name === name))).toEqual([])
  for (const one of drills) {
    const known = new Set<string>()
    const use = (text: string): void => {
      for (const name of text.match(/\$[a-z]\w*/g) ?? [])
        expect([...known], `${one.name}: ${text}`).toContain(name.slice(1))
    }
    const walk = (steps: readonly Step[] = []): void =>
      steps.forEach((step) => {
        use(`${step.command.join(' ')} ${step.input ?? ''}`)
        if (step.saves !== undefined) known.add(step.saves)
      })
    walk(one.prepare)
    for (const [name, command] of Object.entries(one.values ?? {})) {
      use(command.join(' '))
      known.add(name)
    }
    for (const steps of [one.inject, one.recover, one.proof, one.restore]) walk(steps)
  }
})
