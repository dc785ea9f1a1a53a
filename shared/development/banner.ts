export const admin = 'admin@example.com'

export interface Facts {
  readonly name: string
  readonly url: string
  readonly password: string
  readonly database: string
  readonly events: string
}

/** What a developer needs first, ready to be copied. */
export function banner({ name, url, password, database, events }: Facts): string {
  const login = JSON.stringify({ email: admin, password })
  return `
  ${name} is ready; a save restarts it, Ctrl-C ends it

  service    ${url}
  docs       ${url}/docs
  health     ${url}/health
  metrics    ${url}/metrics

  database   ${database}
  events     ${events}

  admin      ${admin}
  password   ${password}
  log in     curl -s ${url}/api/auth/login -H 'content-type: application/json' -d '${login}'

`
}
