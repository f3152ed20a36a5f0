package relay

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
)

// Metrics are what the relay and its mailbox count; docs/operations.md lists
// them. No label holds anything of a tenant.
type Metrics struct {
	Connections  prometheus.Gauge
	Closed       *prometheus.CounterVec // code
	FramesIn     prometheus.Counter
	FramesOut    prometheus.Counter
	SendBytes    prometheus.Counter
	Sends        *prometheus.CounterVec // outcome
	Limited      prometheus.Counter
	Delivered    prometheus.Counter
	Delivery     prometheus.Histogram
	Requests     prometheus.Histogram
	HintsSent    prometheus.Counter
	HintsDropped prometheus.Counter
	BatchSends   prometheus.Histogram
	Stored       prometheus.Counter
	Deleted      prometheus.Counter
	Transactions *prometheus.HistogramVec // kind: write, read
	Failed       *prometheus.CounterVec   // kind
}

// NewMetrics registers the metrics; nil: they count for nobody.
func NewMetrics(to prometheus.Registerer) *Metrics {
	f := factory{to}
	fast := prometheus.ExponentialBuckets(0.0001, 2, 18) // 0.1 ms to 13 s
	return &Metrics{
		Connections:  f.gauge("sotto_relay_connections", "Connections that this node holds."),
		Closed:       f.counters("sotto_relay_closed_total", "Connections that ended, by close code.", "code"),
		FramesIn:     f.counter("sotto_relay_frames_received_total", "Frames from clients."),
		FramesOut:    f.counter("sotto_relay_frames_sent_total", "Frames to clients."),
		SendBytes:    f.counter("sotto_relay_send_bytes_total", "Bytes of frames that carry sends."),
		Sends:        f.counters("sotto_relay_sends_total", "Sends that were answered, by outcome.", "outcome"),
		Limited:      f.counter("sotto_relay_limited_total", "Sends and requests that were refused as too many."),
		Delivered:    f.counter("sotto_relay_delivered_total", "Envelopes and notices written to sockets."),
		Delivery:     f.histogram("sotto_relay_delivery_seconds", "Time from the arrival of a send to its being read for a recipient that is connected.", fast),
		Requests:     f.histogram("sotto_relay_request_seconds", "Time to carry out a request.", fast),
		HintsSent:    f.counter("sotto_relay_hints_sent_total", "Hints published to other nodes."),
		HintsDropped: f.counter("sotto_relay_hints_dropped_total", "Hints that were not published; devices look by themselves."),
		BatchSends:   f.histogram("sotto_mailbox_batch_sends", "Sends stored by one transaction.", prometheus.ExponentialBuckets(1, 2, 9)),
		Stored:       f.counter("sotto_mailbox_stored_total", "Envelopes stored."),
		Deleted:      f.counter("sotto_mailbox_deleted_total", "Envelopes deleted after they were acknowledged."),
		Transactions: f.histograms("sotto_mailbox_transaction_seconds", "Time of a transaction of the mailbox.", fast, "kind"),
		Failed:       f.counters("sotto_mailbox_failed_total", "Transactions of the mailbox that failed.", "kind"),
	}
}

// Mailbox takes the reports of a mailbox: it is mailbox.Config.Report.
func (m *Metrics) Mailbox(r mailbox.Report) {
	kind := "write"
	if r.Reads > 0 {
		kind = "read"
	}
	if r.Failed {
		m.Failed.WithLabelValues(kind).Inc()
		return
	}
	m.Transactions.WithLabelValues(kind).Observe(r.Took.Seconds())
	if r.Sends > 0 {
		m.BatchSends.Observe(float64(r.Sends))
	}
	m.Stored.Add(float64(r.Envelopes))
	m.Deleted.Add(float64(r.Acks))
}

func codeLabel(code wire.CloseCode) string { return strconv.Itoa(int(code)) }

func verdictLabel(v mailbox.Verdict) string {
	switch v {
	case mailbox.Accepted:
		return "accepted"
	case mailbox.Stale:
		return "stale"
	case mailbox.NotOpen:
		return "not_open"
	case mailbox.NotFound:
		return "not_found"
	case mailbox.NotLinked:
		return "not_linked"
	case mailbox.Full:
		return "full"
	}
	return "unavailable"
}

// factory makes collectors and registers them where there is a registry.
type factory struct{ to prometheus.Registerer }

func register[C prometheus.Collector](f factory, c C) C {
	if f.to != nil {
		f.to.MustRegister(c)
	}
	return c
}

func (f factory) counter(name, help string) prometheus.Counter {
	return register(f, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	return register(f, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
}

func (f factory) counters(name, help, label string) *prometheus.CounterVec {
	return register(f, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label}))
}

func (f factory) histogram(name, help string, buckets []float64) prometheus.Histogram {
	return register(f, prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}))
}

func (f factory) histograms(name, help string, buckets []float64, label string) *prometheus.HistogramVec {
	return register(f, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{label}))
}
