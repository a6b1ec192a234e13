import { scalingBehavior } from '../../values/defaults/common.ts'

/** How fast one direction may go, as in a HorizontalPodAutoscaler. */
interface Rules {
  readonly stabilizationWindowSeconds: number
  readonly policies: readonly {
    readonly type: string
    readonly value: number
    readonly periodSeconds: number
  }[]
}

/** A number of pods and the soonest that the policy lets it be asked for, seconds after the load changed. */
export interface Step {
  readonly pods: number
  readonly earliest: number
}

function next(pods: number, up: boolean, { policies }: Rules): number {
  const reach = policies.map(({ type, value }) => {
    const change = up ? value : -value
    const exact = type === 'Percent' ? pods * (1 + change / 100) : pods + change
    // As the autoscaler rounds: up to the next whole pod, down to the one below.
    return up ? Math.ceil(exact) : Math.floor(exact)
  })
  return up ? Math.max(...reach) : Math.min(...reach)
}

/**
 * The fastest way from one number of pods to another that the document's behaviour allows: nothing before the window has
 * passed, then one step a period.
 */
export function fastest(
  from: number,
  to: number,
  behavior: { scaleUp: Rules; scaleDown: Rules } = scalingBehavior,
): Step[] {
  const up = to > from
  const rules = up ? behavior.scaleUp : behavior.scaleDown
  const period = Math.min(...rules.policies.map(({ periodSeconds }) => periodSeconds))
  const steps: Step[] = []
  for (let pods = from; pods !== to;) {
    const reached = next(pods, up, rules)
    pods = up ? Math.min(reached, to) : Math.max(reached, to)
    steps.push({ pods, earliest: rules.stabilizationWindowSeconds + steps.length * period })
  }
  return steps
}

/** The soonest that at least (going down: at most) so many pods may be asked for. */
export function earliest(from: number, to: number, pods: number): number {
  const up = to > from
  const step = fastest(from, to).find((one) => (up ? one.pods >= pods : one.pods <= pods))
  if (step === undefined) throw new Error(`${pods} pods are not between ${from} and ${to}`)
  return step.earliest
}
