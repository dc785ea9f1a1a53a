-- Posts new users where METHOD says so, and prints what was measured as one line of JSON.
local method = os.getenv('METHOD') or 'GET'
local token = os.getenv('TOKEN')

wrk.method = method
if token then wrk.headers['Authorization'] = 'Bearer ' .. token end
if method == 'POST' then
  wrk.headers['Content-Type'] = 'application/json'
  wrk.body = '{"first_name":"Ada Lovelace"}'
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"durationUs":%d,"errors":%d,"p50Us":%d,"p99Us":%d}\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
