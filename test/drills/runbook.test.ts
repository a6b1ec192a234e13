import { expect, it } from 'vitest'
import { drills, quick } from './catalogue/index.ts'
import { runbook } from './lib/runbook.ts'
import type { Drill } from './lib/drill.ts'

const drill: Drill = {
  name: 'example',
  title: 'Example',
  scenario: 'node',
  loads: ['write'],
  values: { node: ['kubectl', 'get', 'pod', 'a', '--output', 'jsonpath={.spec.nodeName}'] },
  inject: [{ title: 'Kill it', command: ['docker', 'kill', '$node'] }],
  restore: [{ title: 'Inside', command: ['sh', '-c', 'kill $(cat $PIDFILE)'] }],
  deadlineSeconds: 1,
}

it('GIVEN a drill WHEN its runbook is written THEN the commands are shell lines that do the same', () => {
  const text = runbook(drill)
  expect(text).toContain("node=$(kubectl get pod a --output 'jsonpath={.spec.nodeName}')")
  expect(text).toContain('docker kill "$node"')
  expect(text).toContain("sh -c 'kill $(cat $PIDFILE)'")
})

it('GIVEN the catalogue WHEN read THEN names are unique and every value a step uses is looked up', () => {
  expect(new Set(drills.map((one) => one.name)).size).toBe(drills.length)
  expect(quick.filter((name) => !drills.some((one) => one.name === name))).toEqual([])
  for (const one of drills) {
    const used = [...one.inject, ...one.restore].flatMap((step) => step.command.join(' ').match(/\$[a-z]\w*/g) ?? [])
    for (const name of used) expect(Object.keys(one.values ?? {}), one.name).toContain(name.slice(1))
  }
})
