import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { type LogLevelControl, logLevels } from '../observability/log-level.ts'
import { OneOf } from '../schema.ts'
import type { Auth } from './auth.ts'
import { bearerAuth } from './docs.ts'

const Level = Type.Object({ level: OneOf(logLevels) })

export interface LogLevelRoutesOptions<Role extends string> {
  readonly auth: Auth<Role>
  /** Who may change it. */
  readonly operators: readonly Role[]
  readonly logLevel: LogLevelControl
}

/** `/api/operations/log-level`: what this process logs, until it ends. Other replicas go on as they were. */
export function logLevelRoutes<Role extends string>({
  auth,
  operators,
  logLevel,
}: LogLevelRoutesOptions<Role>) {
  const show = () => ({ level: logLevel.level() })
  return new Elysia({
    name: 'log-level',
    prefix: '/api/operations',
    detail: { tags: ['operations'], security: bearerAuth },
  })
    .use(auth.authenticated)
    .onBeforeHandle(auth.requireRole(...operators))
    .get('/log-level', show, { response: Level, detail: { summary: 'The log level of this process' } })
    .put(
      '/log-level',
      ({ body: { level } }) => {
        logLevel.setLevel(level)
        return show()
      },
      { body: Level, response: Level, detail: { summary: 'Change the log level of this process' } },
    )
}
