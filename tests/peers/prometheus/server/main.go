// Command server is Prometheus' own storage, scraper and remote-write queue, put together like its server but with what
// servers of version 3.15 offer and forget to turn on: metadata in the log, which is where version 2 takes it from.
package main

import (
	"errors"
	"flag"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

func main() {
	address := flag.String("listen", "", "host and port to show own metrics at")
	path := flag.String("config", "", "a configuration of Prometheus; targets are static ones")
	data := flag.String("data", "", "where the data is kept")
	flag.Parse()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	config, err := config.LoadFile(*path, false, logger)
	check(err)
	targets := startScraper(config, openStorage(config, *data, logger), logger)
	http.Handle("/metrics", promhttp.Handler())
	go func() { log.Fatal(http.ListenAndServe(*address, nil)) }()
	targets <- staticTargets(config)
	select {}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// openStorage opens the local storage, whose log the remote one follows.
func openStorage(config *config.Config, data string, logger *slog.Logger) storage.Storage {
	options := tsdb.DefaultOptions()
	options.EnableMetadataWALRecords = true
	options.EnableExemplarStorage = true
	options.MaxExemplars = 1000
	options.EnableSTStorage = true
	options.FloatChunkEncoding = chunkenc.EncXOR2
	options.EnableHistogramSTEncoding = true
	local, err := tsdb.Open(data, logger, prometheus.DefaultRegisterer, options, nil)
	check(err)
	sent := remote.NewStorage(logger, prometheus.DefaultRegisterer, local.StartTime, data, time.Minute, noManager{}, false)
	check(sent.ApplyConfig(config))
	local.SetWriteNotified(sent)
	return storage.NewFanout(logger, local, sent)
}

// startScraper scrapes the targets that are sent to the answer.
func startScraper(config *config.Config, into storage.Storage, logger *slog.Logger) chan map[string][]*targetgroup.Group {
	options := &scrape.Options{AppendMetadata: true, ParseST: true}
	manager, err := scrape.NewManager(options, logger, nil, nil, into, prometheus.DefaultRegisterer)
	check(err)
	check(manager.ApplyConfig(config))
	targets := make(chan map[string][]*targetgroup.Group)
	go func() { check(manager.Run(targets)) }()
	return targets
}

func staticTargets(config *config.Config) map[string][]*targetgroup.Group {
	targets := map[string][]*targetgroup.Group{}
	for _, job := range config.ScrapeConfigs {
		for _, found := range job.ServiceDiscoveryConfigs {
			if static, ok := found.(discovery.StaticConfig); ok {
				targets[job.JobName] = append(targets[job.JobName], static...)
			}
		}
	}
	return targets
}

// noManager is what sends metadata with version 1.
type noManager struct{}

func (noManager) Get() (*scrape.Manager, error) {
	return nil, errors.New("version 2 has metadata from the log")
}
