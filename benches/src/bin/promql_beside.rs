//! The same series in chronoxide, Prometheus and VictoriaMetrics, and the same dashboard queries asked of all of them.
//!
//! `benches/side-by-side-promql` builds and runs it. All servers run here at once, each asked in its turn, so that
//! ratios mean something on a busy machine as well. Answers of chronoxide and Prometheus must be equal to within 1e-9.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chronoxide_benches::{DASHBOARD_QUERIES, DashboardSeries, dashboard_series};
use rand::SeedableRng;
use rand::rngs::StdRng;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Arguments {
    chronoxide: String,
    series: usize,
    hours: u64,
    interval_s: u64,
    repeat: usize,
    peers: Vec<String>,
}

impl Arguments {
    fn read() -> Result<Self> {
        let mut arguments = Self {
            chronoxide: "chronoxide".into(),
            series: 5000,
            hours: 24,
            interval_s: 60,
            repeat: 5,
            // A kind, or a kind and its program: `prometheus=/opt/prometheus`.
            peers: vec!["prometheus".into(), "victoria-metrics".into()],
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let value = words.next().ok_or(format!("{word} needs a value"))?;
            match word.as_str() {
                "--chronoxide" => arguments.chronoxide = value,
                "--series" => arguments.series = value.parse()?,
                "--hours" => arguments.hours = value.parse()?,
                "--interval" => arguments.interval_s = value.parse()?,
                "--repeat" => arguments.repeat = value.parse()?,
                "--peers" => {
                    let names = value.split(',').filter(|name| !name.is_empty());
                    arguments.peers = names.map(str::to_owned).collect();
                }
                _ => return Err(format!("unknown argument {word}").into()),
            }
        }
        Ok(arguments)
    }
}

/// One server; it ends with this.
struct Server {
    name: String,
    process: Child,
    base: String,
    /// Its answers have to be equal.
    exact: bool,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start(kind: &str, program: &str, folder: &Path) -> Result<Self> {
        let data = folder.join(program.replace('/', "_"));
        fs::create_dir_all(&data)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let address = format!("127.0.0.1:{port}");
        let path = data.display();
        let arguments: Vec<String> = match kind {
            "chronoxide" => vec![
                format!("--storage.path={path}/data"),
                format!("--http.listen={address}"),
                "--otlp.http.listen=off".into(),
                "--otlp.grpc.listen=off".into(),
                "--log.level=error".into(),
            ],
            "prometheus" => {
                fs::write(data.join("empty.yml"), "")?;
                vec![
                    format!("--config.file={path}/empty.yml"),
                    format!("--storage.tsdb.path={path}/data"),
                    format!("--web.listen-address={address}"),
                    "--web.enable-remote-write-receiver".into(),
                    "--log.level=error".into(),
                ]
            }
            _ => vec![
                format!("-storageDataPath={path}/data"),
                format!("-httpListenAddr={address}"),
                "-search.disableCache".into(),
                "-search.maxUniqueTimeseries=1000000".into(),
                "-loggerLevel=ERROR".into(),
            ],
        };
        let process = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let server = Self {
            name: program.into(),
            process,
            exact: kind == "prometheus",
            base: format!("http://{address}"),
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> Result<()> {
        for _ in 0..600 {
            if self.get("/api/v1/query?query=1").is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(format!("{} does not answer", self.name).into())
    }

    fn get(&self, path: &str) -> Result<Vec<u8>> {
        let mut answer = ureq::get(format!("{}{path}", self.base)).call()?;
        let body = answer.body_mut().with_config().limit(1 << 30);
        Ok(body.read_to_vec()?)
    }

    fn write(&self, body: &[u8]) -> Result<()> {
        let answer = ureq::post(format!("{}/api/v1/write", self.base))
            .header("Content-Encoding", "snappy")
            .header("Content-Type", "application/x-protobuf")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .send(body);
        answer.map_err(|error| format!("{}: {error}", self.name))?;
        Ok(())
    }

    /// CPU time so far, user and system, in clock ticks (10 ms).
    fn ticks(&self) -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        let number = |index: usize| {
            fields
                .split(' ')
                .nth(index)
                .and_then(|text| text.parse::<u64>().ok())
        };
        Ok(number(11).ok_or("no user time")? + number(12).ok_or("no system time")?)
    }

    fn resident_mib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
        Ok(kib.ok_or("no VmHWM")?.trim().parse::<u64>()? / 1024)
    }
}

fn field(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Labels in the form of the wire.
fn wire_labels(series: &DashboardSeries) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (name, value) in series.labels.iter() {
        let mut label = Vec::new();
        field(1, name.as_bytes(), &mut label);
        field(2, value.as_bytes(), &mut label);
        field(1, &label, &mut encoded);
    }
    encoded
}

/// Sends all samples to all servers, in order of time; returns how many.
fn fill(servers: &[Server], arguments: &Arguments, start_ms: i64) -> Result<u64> {
    const SCRAPES: u64 = 20;
    const SERIES: usize = 2000;
    let mut random = StdRng::seed_from_u64(4);
    let mut series: Vec<_> = dashboard_series(arguments.series)
        .into_iter()
        .map(|one| {
            let offset_ms = one.scrape_offset_ms((arguments.interval_s * 1000).cast_signed());
            (wire_labels(&one), start_ms + offset_ms, one)
        })
        .collect();
    let scrapes = arguments.hours * 3600 / arguments.interval_s;
    let mut sent = 0;
    for first in (0..scrapes).step_by(SCRAPES as usize) {
        for some in series.chunks_mut(SERIES) {
            let mut message = Vec::new();
            for (labels, first_ms, one) in some {
                let mut encoded = labels.clone();
                for scrape in first..(first + SCRAPES).min(scrapes) {
                    let at_ms = *first_ms + (scrape * arguments.interval_s * 1000).cast_signed();
                    let mut sample = vec![0x09];
                    sample.extend_from_slice(&one.next(&mut random).to_le_bytes());
                    sample.push(0x10);
                    varint(at_ms.cast_unsigned(), &mut sample);
                    field(2, &sample, &mut encoded);
                    sent += 1;
                }
                field(1, &encoded, &mut message);
            }
            let body = snap::raw::Encoder::new().compress_vec(&message)?;
            for server in servers {
                server.write(&body)?;
            }
        }
    }
    Ok(sent)
}

/// Values by series and time.
type Values = BTreeMap<String, Vec<(f64, f64)>>;

fn values(body: &[u8]) -> Result<Values> {
    let json: serde_json::Value = serde_json::from_slice(body)?;
    let mut all = Values::new();
    for series in json["data"]["result"].as_array().ok_or("no result")? {
        let labels = series["metric"].as_object().ok_or("no labels")?;
        let sorted: BTreeMap<_, _> = labels.iter().collect();
        let points = series["values"].as_array().ok_or("no values")?;
        let point = |point: &serde_json::Value| {
            let value = point[1].as_str()?.parse::<f64>().ok()?;
            Some((point[0].as_f64()?, value))
        };
        let points: Option<Vec<(f64, f64)>> = points.iter().map(point).collect();
        all.insert(format!("{sorted:?}"), points.ok_or("odd values")?);
    }
    Ok(all)
}

fn difference(ours: &Values, theirs: &Values) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} and {} series", ours.len(), theirs.len()));
    }
    for (labels, points) in ours {
        let Some(others) = theirs.get(labels) else {
            return Some(format!("{labels} is missing"));
        };
        let near = |left: f64, right: f64| {
            left == right
                || (left.is_nan() && right.is_nan())
                || (left - right).abs() <= 1e-9 * left.abs().max(right.abs())
        };
        let same = |(ours, theirs): (&(f64, f64), &(f64, f64))| {
            ours.0 == theirs.0 && near(ours.1, theirs.1)
        };
        if points.len() != others.len() || !points.iter().zip(others).all(same) {
            return Some(format!("{labels} differs"));
        }
    }
    None
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let bytes = text.bytes();
    bytes
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// What one server took for one query.
#[derive(Clone, Copy)]
struct Took {
    p50_ms: f64,
    cpu_ms: f64,
}

/// How many times as much a server took as the first one, over several queries: sums of logarithms.
#[derive(Clone, Default)]
struct Ratios {
    time: f64,
    cpu: f64,
    count: u32,
}

impl Ratios {
    fn add(&mut self, ours: &Took, theirs: &Took) -> (f64, f64) {
        let time = theirs.p50_ms / ours.p50_ms;
        let cpu = theirs.cpu_ms.max(0.1) / ours.cpu_ms.max(0.1);
        self.join(&Self {
            time: time.ln(),
            cpu: cpu.ln(),
            count: 1,
        });
        (time, cpu)
    }

    fn join(&mut self, other: &Self) {
        self.time += other.time;
        self.cpu += other.cpu;
        self.count += other.count;
    }

    fn mean(&self, sum: f64) -> f64 {
        (sum / f64::from(self.count.max(1))).exp()
    }
}

fn ask(server: &Server, path: &str, repeat: usize) -> Result<(Took, Vec<u8>)> {
    // The first one warms up whatever there is to warm.
    let body = server
        .get(path)
        .map_err(|error| format!("{}: {error}", server.name))?;
    let before = server.ticks()?;
    let mut times = Vec::new();
    // Ticks are coarse: quick queries are asked more often.
    let started = Instant::now();
    while times.len() < repeat
        || (started.elapsed() < Duration::from_millis(300) && times.len() < 100 * repeat)
    {
        let asked = Instant::now();
        server.get(path)?;
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
    }
    let cpu_ms = (server.ticks()? - before) as f64 * 10.0 / times.len() as f64;
    times.sort_by(f64::total_cmp);
    Ok((
        Took {
            p50_ms: times[times.len() / 2],
            cpu_ms,
        },
        body,
    ))
}

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    let folder = std::env::temp_dir().join(format!("promql-beside-{}", std::process::id()));
    let result = run(&arguments, &folder);
    fs::remove_dir_all(&folder)?;
    result
}

fn run(arguments: &Arguments, folder: &Path) -> Result<()> {
    let mut servers = vec![Server::start("chronoxide", &arguments.chronoxide, folder)?];
    for peer in &arguments.peers {
        let (kind, program) = peer.split_once('=').unwrap_or((peer, peer));
        servers.push(Server::start(kind, program, folder)?);
    }
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let end_s = now_s / 3600 * 3600;
    let start_s = end_s - arguments.hours * 3600;
    let sent = fill(&servers, arguments, (start_s * 1000).cast_signed())?;
    println!(
        "{} series, {} h, every {} s: {sent} samples",
        arguments.series, arguments.hours, arguments.interval_s
    );
    for server in &servers {
        println!(
            "  {}: {:.1} s of CPU to take them in",
            server.name,
            server.ticks()? as f64 / 100.0
        );
    }
    // VictoriaMetrics shows what it took in a little later.
    std::thread::sleep(Duration::from_secs(3));
    let mut all = vec![Ratios::default(); servers.len()];
    let mut wrong = 0;
    for hours in [1, 6, 24]
        .into_iter()
        .filter(|hours| *hours <= arguments.hours)
    {
        println!("\n{hours} h, 240 steps; p50 ms and CPU ms of each, ratios to chronoxide");
        let mut ratios = vec![Ratios::default(); servers.len()];
        for text in DASHBOARD_QUERIES {
            let (from, step) = (end_s - hours * 3600, hours * 3600 / 240);
            let path = format!(
                "/api/v1/query_range?query={}&start={from}&end={end_s}&step={step}&nocache=1",
                escaped(text)
            );
            let (line, differ) = ask_all(&servers, &path, arguments.repeat, &mut ratios)?;
            wrong += differ;
            println!("{line}  {text}");
        }
        summary(&servers, &ratios)?;
        for (all, ratios) in all.iter_mut().zip(&ratios) {
            all.join(ratios);
        }
    }
    println!("\nAll of them");
    summary(&servers, &all)?;
    if wrong > 0 {
        return Err(format!("{wrong} answers differ from Prometheus").into());
    }
    Ok(())
}

/// Asks every server the same; returns what each took, as text, and how many answers are not what the first one said.
fn ask_all(
    servers: &[Server],
    path: &str,
    repeat: usize,
    ratios: &mut [Ratios],
) -> Result<(String, usize)> {
    let (mut line, mut wrong) = (String::new(), 0);
    let mut first: Option<(Took, Values)> = None;
    for (server, ratios) in servers.iter().zip(ratios) {
        let (took, body) = ask(server, path, repeat)?;
        line += &format!("{:9.1} {:9.1}", took.p50_ms, took.cpu_ms);
        let Some((ours, expected)) = &first else {
            first = Some((took, values(&body)?));
            continue;
        };
        let (time, cpu) = ratios.add(ours, &took);
        line += &format!(" ({time:4.1}x {cpu:4.1}x)");
        if server.exact
            && let Some(gap) = difference(expected, &values(&body)?)
        {
            wrong += 1;
            line += &format!(" DIFFERS: {gap}");
        }
    }
    Ok((line, wrong))
}

fn summary(servers: &[Server], ratios: &[Ratios]) -> Result<()> {
    println!(
        "  {}: {} MiB at most",
        servers[0].name,
        servers[0].resident_mib()?
    );
    for (server, ratios) in servers.iter().zip(ratios).skip(1) {
        println!(
            "  {}: {:.2} times the time and {:.2} times the CPU of {} (geometric means), {} MiB at most",
            server.name,
            ratios.mean(ratios.time),
            ratios.mean(ratios.cpu),
            servers[0].name,
            server.resident_mib()?
        );
    }
    Ok(())
}
