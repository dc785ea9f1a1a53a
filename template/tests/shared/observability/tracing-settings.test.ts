import { describe, expect, test } from 'bun:test'
import { readTracingSettings } from '@kiln/shared/observability'
import { loadConfig } from '../../../../src/config.ts'
import { testEnvironment } from '../../../../tests/support/service.ts'

const settingsOf = (env: Record<string, string>) => readTracingSettings(env).settings

describe('where spans go', () => {
  test.each<[string, Record<string, string>, string | undefined]>([
    ['nothing is said', {}, undefined],
    ['a collector is named', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, 'http://c:4318/v1/traces'],
    ['it has a path', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/otlp/' }, 'http://c:4318/otlp/v1/traces'],
    ['traces have their own', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c/t' }, 'http://c/t'],
    ['it is disabled', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_SDK_DISABLED: 'true' }, undefined],
    [
      'no exporter is wanted',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_TRACES_EXPORTER: 'none' },
      undefined,
    ],
    ['it is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined],
  ])('when %s', (_, env, endpoint) => {
    expect(settingsOf(env).endpoint).toBe(endpoint)
  })
})

test('headers and attributes are read as they are written for OpenTelemetry', () => {
  const settings = settingsOf({
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc, x-a=1',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-a=2',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,team=a%2Cb',
  })

  expect(settings.headers).toEqual({ authorization: 'Bearer abc', 'x-a': '2' })
  expect(settings.resource).toEqual({ 'deployment.environment.name': 'test', team: 'a,b' })
})

test.each([
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
  ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'ftp://collector'],
  ['OTEL_EXPORTER_OTLP_HEADERS', 'planted-without-a-value'],
  ['OTEL_EXPORTER_OTLP_TIMEOUT', '10s'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
  ['OTEL_EXPORTER_OTLP_COMPRESSION', 'zstd'],
  ['OTEL_EXPORTER_OTLP_CERTIFICATE', '/planted/ca.pem'],
  ['OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY', '/planted/key.pem'],
  ['OTEL_TRACES_SAMPLER', 'sometimes'],
  ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
  ['OTEL_TRACES_EXPORTER', 'zipkin'],
  ['OTEL_RESOURCE_ATTRIBUTES', 'planted%zz=1%zz'],
  ['OTEL_BSP_MAX_QUEUE_SIZE', 'many'],
  ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', '4096'],
  ['OTEL_SDK_DISABLED', 'maybe'],
])('%s=%s is refused by name with the other settings, without the value', (name, value) => {
  const load = () => loadConfig(testEnvironment({ [name]: value, SERVICE_PORT: 'x' }))

  expect(load).toThrow(
    expect.objectContaining({
      problems: [
        { name: 'SERVICE_PORT', message: expect.any(String) },
        { name, message: expect.not.stringContaining(value) },
      ],
    }),
  )
})

test('a command that needs less does not look at them', () => {
  const env = testEnvironment({ OTEL_TRACES_SAMPLER: 'sometimes' })

  expect(loadConfig(env, ['port'])).toEqual({ port: 8000 })
})
