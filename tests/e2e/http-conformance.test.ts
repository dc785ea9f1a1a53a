import { after, before, test as nodeTest } from 'node:test'
import { logInAdmin } from '../support/admin.ts'
import { type RunningService, runtime, startService } from '../support/process.ts'
import { differences } from './http/differences.ts'
import { httpSuite } from './http/suite.ts'
import { listedOrigin } from './http/web.ts'

const started: { service?: RunningService; token: string } = { token: '' }
before(async () => {
  const service = await startService({
    SERVICE_BODY_TIMEOUT_MS: '1000',
    SERVICE_MAX_BODY_BYTES: '4096',
    SERVICE_CORS_ORIGINS: listedOrigin,
  })
  started.service = service
  started.token = await logInAdmin(service)
})
after(() => started.service?.close())

httpSuite({
  test: (name, run) => nodeTest(name, { timeout: 20_000 }, run),
  runtime,
  ground: () => ({ port: started.service?.port ?? 0, token: started.token }),
  differences,
})
