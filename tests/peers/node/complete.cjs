// Asks a server what the editor of Prometheus' page asks, with its own client, and prints the answers as JSON.

const { newCompleteStrategy, PromQLExtension } = require('@prometheus-io/codemirror-promql');
const { HTTPPrometheusClient } = require('@prometheus-io/codemirror-promql/dist/cjs/client/prometheus');
const { EqlSingle } = require('@prometheus-io/lezer-promql');
const { EditorState } = require('@codemirror/state');
const { CompletionContext } = require('@codemirror/autocomplete');

async function main(url) {
  const failed = [];
  const config = { url, httpErrorHandler: (error) => failed.push(String(error)) };
  const client = new HTTPPrometheusClient(config);
  const answers = {
    metricNames: (await client.metricNames()).sort(),
    labelNames: (await client.labelNames('requests_total')).sort(),
    labelValues: (await client.labelValues('code', 'requests_total')).sort(),
    jobsOf500: await client.labelValues('job', 'requests_total', [{ type: EqlSingle, name: 'code', value: '500' }]),
    jobsOf404: await client.labelValues('job', 'requests_total', [{ type: EqlSingle, name: 'code', value: '404' }]),
    flags: (await client.flags())['query.lookback-delta'],
  };
  const promql = new PromQLExtension().setComplete({ remote: config });
  const state = EditorState.create({ doc: 'temp', extensions: promql.asExtension() });
  const complete = newCompleteStrategy({ remote: config });
  const found = await complete.promQL(new CompletionContext(state, 4, true));
  answers.completions = found.options.map((option) => option.label);
  if (failed.length > 0) {
    throw new Error(failed.join('; '));
  }
  console.log(JSON.stringify(answers));
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
