/** Where this project is published: runbook links and Argo CD's sources begin with it. */
export const repository = 'https://github.com/opencode/deploy'
