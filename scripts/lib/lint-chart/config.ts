import { readValues } from '../read-values.ts'
import { UserError } from '../user-error.ts'

/** The part of chart-testing's configuration that linting needs. */
export interface ChartTesting {
  /** Remote and branch that the chart's version is compared with. */
  readonly remote: string
  readonly targetBranch: string
  /** Folders of charts. */
  readonly charts: readonly string[]
  /** A chart that changed must have a higher version than the target branch's. */
  readonly checkVersionIncrement: boolean
  /** yamllint's configuration. */
  readonly lintConf: string
  /** yamale's schema of Chart.yaml. */
  readonly chartYamlSchema: string
  /** Further arguments of `helm lint`. */
  readonly helmLintExtraArgs: readonly string[]
}

/** Keys that only `ct install` reads, or that say what is not checked anyway. */
const others = ['validate-maintainers', 'helm-extra-args']

/**
 * Reads ct.yaml.
 * @throws {@link UserError} naming the file and a key that is missing, wrong or unknown
 */
export function readChartTesting(file: string): ChartTesting {
  const { ...values } = readValues(file)
  const take = <T>(key: string, right: (value: unknown) => value is T, want: string): T => {
    const { [key]: value } = values
    Reflect.deleteProperty(values, key)
    if (!right(value))
      throw new UserError(
        `${file}: "${key}" is ${JSON.stringify(value) ?? 'missing'}. Set it to ${want}.`,
      )
    return value
  }
  const text = (value: unknown): value is string => typeof value === 'string' && value !== ''
  const flag = (value: unknown): value is boolean => typeof value === 'boolean'
  const list = (value: unknown): value is string[] =>
    Array.isArray(value) && value.length > 0 && value.every(text)
  const config = {
    remote: take('remote', text, 'the name of a git remote'),
    targetBranch: take('target-branch', text, 'a branch'),
    charts: take('charts', list, 'a list of chart folders'),
    checkVersionIncrement: take('check-version-increment', flag, 'true or false'),
    lintConf: take('lint-conf', text, "the path of yamllint's configuration"),
    chartYamlSchema: take('chart-yaml-schema', text, "the path of yamale's schema"),
    helmLintExtraArgs: take('helm-lint-extra-args', text, 'arguments of helm lint').split(/\s+/),
  }
  const unknown = Object.keys(values).filter((key) => !others.includes(key))
  if (unknown.length > 0)
    throw new UserError(
      `${file}: npm run lint:chart does not know "${unknown.join('", "')}". Teach scripts/lib/lint-chart/config.ts what ct does with it.`,
    )
  return config
}
