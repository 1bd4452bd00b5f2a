// Command target is a program to scrape: classic and native histograms, counters with exemplars and created times.
//
// Its values are functions of how often it has been scraped, so that whoever compares knows what to expect.
package main

import (
	"flag"
	"log"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	address := flag.String("listen", "", "host and port to serve at")
	flag.Parse()
	registry := prometheus.NewRegistry()
	metrics := newMetrics(registry)
	exposition := promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		EnableOpenMetrics:                   true,
		EnableOpenMetricsTextCreatedSamples: true,
	})
	http.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
		metrics.advance()
		exposition.ServeHTTP(w, r)
	})
	http.HandleFunc("/-/healthy", func(http.ResponseWriter, *http.Request) {})
	log.Fatal(http.ListenAndServe(*address, nil))
}

type metrics struct {
	scrapes  atomic.Int64
	requests *prometheus.CounterVec
	heat     prometheus.Gauge
	classic  prometheus.Histogram
	native   prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "target_requests_total",
			Help: "Requests that the target \"served\".",
		}, []string{"code"}),
		heat: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "target_heat_celsius",
			Help: "How warm the target is.",
		}),
		classic: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "target_classic_seconds",
			Help:    "Durations in classic buckets.",
			Buckets: []float64{0.1, 1, 10},
		}),
		native: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                        "target_native_seconds",
			Help:                        "Durations in native buckets.",
			NativeHistogramBucketFactor: 1.1,
		}),
	}
	registry.MustRegister(m.requests, m.heat, m.classic, m.native)
	return m
}

// advance moves every metric one step; each step is one observation of each kind.
func (m *metrics) advance() {
	step := m.scrapes.Add(1)
	trace := prometheus.Labels{"trace_id": "trace-" + strconv.FormatInt(step, 10)}
	code := "200"
	if step%5 == 0 {
		code = "500"
	}
	m.requests.WithLabelValues(code).(prometheus.ExemplarAdder).AddWithExemplar(1, trace)
	m.heat.Set(20 + 5*math.Sin(float64(step)/7))
	duration := 0.05 * float64(1+step%300)
	m.classic.(prometheus.ExemplarObserver).ObserveWithExemplar(duration, trace)
	m.native.(prometheus.ExemplarObserver).ObserveWithExemplar(duration, trace)
}
