package api

import "github.com/prometheus/client_golang/prometheus"

// collector reads everything at the scrape.
type collector struct{ b Backend }

var (
	packetsDesc  = prometheus.NewDesc("fairlead_endpoint_packets_total", "Packets of an endpoint, by direction as it sees them.", []string{"endpoint", "direction"}, nil)
	bytesDesc    = prometheus.NewDesc("fairlead_endpoint_bytes_total", "Bytes of an endpoint, by direction as it sees them.", []string{"endpoint", "direction"}, nil)
	dropsDesc    = prometheus.NewDesc("fairlead_endpoint_drops_total", "Packets dropped at an endpoint's port, by reason.", []string{"endpoint", "reason"}, nil)
	meterDesc    = prometheus.NewDesc("fairlead_endpoint_meter_bytes_total", "Bytes of an endpoint's allowed flows, by direction and by who the other end is.", []string{"endpoint", "class", "direction"}, nil)
	portFlows    = prometheus.NewDesc("fairlead_endpoint_flows", "Live flows of an endpoint.", []string{"endpoint"}, nil)
	madeDesc     = prometheus.NewDesc("fairlead_endpoint_flows_created_total", "Flows an endpoint has had.", []string{"endpoint"}, nil)
	evictedDesc  = prometheus.NewDesc("fairlead_endpoint_flows_evicted_total", "Half-open flows that gave way to newer ones.", []string{"endpoint"}, nil)
	refusedDesc  = prometheus.NewDesc("fairlead_endpoint_flows_refused_total", "New flows dropped because the endpoint's flow table was full.", []string{"endpoint"}, nil)
	hostDesc     = prometheus.NewDesc("fairlead_host_drops_total", "Packets dropped that belong to no port, by reason.", []string{"reason"}, nil)
	flowsDesc    = prometheus.NewDesc("fairlead_flows", "Live flows.", nil, nil)
	genDesc      = prometheus.NewDesc("fairlead_policy_generation", "Policies put into force.", nil, nil)
	problemsDesc = prometheus.NewDesc("fairlead_problems", "Problems in force, by severity.", []string{"severity"}, nil)
	syncDesc     = prometheus.NewDesc("fairlead_controller_last_sync_timestamp_seconds", "When the controller last delivered.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{packetsDesc, bytesDesc, dropsDesc, meterDesc, portFlows, madeDesc, evictedDesc, refusedDesc, hostDesc, flowsDesc, genDesc, problemsDesc, syncDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	endpoints, err := c.b.Endpoints()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(packetsDesc, err)
		return
	}
	for _, e := range endpoints {
		count(packetsDesc, e.Counters.RxPackets, e.Name, "rx")
		count(packetsDesc, e.Counters.TxPackets, e.Name, "tx")
		count(bytesDesc, e.Counters.RxBytes, e.Name, "rx")
		count(bytesDesc, e.Counters.TxBytes, e.Name, "tx")
		for reason, n := range e.Counters.Drops {
			count(dropsDesc, n, e.Name, reason)
		}
		for class, m := range e.Counters.Meter {
			count(meterDesc, m.RxBytes, e.Name, class, "rx")
			count(meterDesc, m.TxBytes, e.Name, class, "tx")
		}
		if f := e.Counters.Flows; f != nil {
			gauge(portFlows, float64(f.Now), e.Name)
			count(madeDesc, f.Created, e.Name)
			count(evictedDesc, f.Evicted, e.Name)
			count(refusedDesc, f.Refused, e.Name)
		}
	}
	s, err := c.b.Status()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(flowsDesc, err)
		return
	}
	for reason, n := range s.Datapath.Drops {
		count(hostDesc, n, reason)
	}
	gauge(flowsDesc, float64(s.Datapath.Flows))
	gauge(genDesc, float64(s.Datapath.Generation))
	if !s.Controller.LastSync.IsZero() {
		gauge(syncDesc, float64(s.Controller.LastSync.Unix()))
	}
	bySeverity := map[string]int{"error": 0, "warning": 0}
	for _, p := range s.Problems {
		bySeverity[p.Severity]++
	}
	for severity, n := range bySeverity {
		gauge(problemsDesc, float64(n), severity)
	}
}
