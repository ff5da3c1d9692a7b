/* test_plan.c - parts placed on machines that are data: one core, two, two sockets, four. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/plan.h"

static struct conf conf;
static struct machine machine;
static struct plan plan;
static char error[512];

static int setup(void **state)
{
    (void)state;
    memset(&conf, 0, sizeof conf);
    memset(&machine, 0, sizeof machine);
    conf.lcores_auto = true;
    conf.control_core = -1;
    machine.disk_core = INTERRUPTS_SPREAD;
    conf.port_count = 1;
    strcpy(conf.ports[0].name, "p0");
    strcpy(conf.file, "t.yaml");
    return 0;
}

static void make_machine(uint32_t nodes, uint32_t cores_per_node)
{
    machine.core_count = nodes * cores_per_node;
    for (uint32_t i = 0; i < machine.core_count; i++) {
        machine.cores[i].core = i;
        machine.cores[i].node = (int32_t)(i / cores_per_node);
    }
    machine.port_count = conf.port_count;
    for (uint32_t p = 0; p < conf.port_count; p++) {
        machine.ports[p].node = -1;
        machine.ports[p].queues_max = 16;
    }
}

static void one_core_does_everything(void **state)
{
    (void)state;
    make_machine(1, 1);
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.core_count, 1);
    assert_int_equal(plan.cores[0].core, 0);
    assert_int_equal(plan.control_core, 0);
    assert_int_equal(plan.rx_count, 1);
    assert_int_equal(plan.shard_count, 1);
}

static void two_cores_leave_the_first_to_control(void **state)
{
    (void)state;
    make_machine(1, 2);
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.control_core, 0);
    assert_int_equal(plan.core_count, 1);
    assert_int_equal(plan.cores[0].core, 1);
    assert_int_equal(plan.cores[0].shard, 0);
    assert_int_equal(plan.cores[0].rx_count, 1);
    assert_int_equal(plan.queues[0], 1);
}

static void two_sockets_receive_where_the_port_is(void **state)
{
    (void)state;
    make_machine(2, 8);
    machine.ports[0].node = 1;
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.shard_count, 15);
    assert_int_equal(plan.rx_count, 8);
    for (uint32_t r = 0; r < plan.rx_count; r++) {
        assert_int_equal(plan.cores[plan.rx[r].core].node, 1);
        assert_int_equal(plan.rx[r].queue, r);
    }
}

static void four_sockets_two_ports_each_on_its_own(void **state)
{
    (void)state;
    conf.port_count = 2;
    make_machine(4, 4);
    machine.ports[0].node = 0;
    machine.ports[1].node = 2;
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.shard_count, 15);
    assert_int_equal(plan.queues[0], 3); /* core 0 is control's */
    assert_int_equal(plan.queues[1], 4);
    for (uint32_t r = 0; r < plan.rx_count; r++)
        assert_int_equal(plan.cores[plan.rx[r].core].node, plan.rx[r].port == 0 ? 0 : 2);
}

static void no_more_rx_parts_than_queues(void **state)
{
    (void)state;
    make_machine(1, 8);
    machine.ports[0].queues_max = 2;
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.rx_count, 2);
    assert_int_equal(plan.shard_count, 7);
    conf.ports[0].rx_queues = 1;
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.rx_count, 1);
}

static void a_port_on_a_node_without_workers_is_served_from_another(void **state)
{
    (void)state;
    make_machine(2, 1);
    machine.ports[0].node = 0;
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.core_count, 1);
    assert_int_equal(plan.rx_count, 1);
    assert_int_equal(plan.cores[plan.rx[0].core].node, 1);
}

static void more_cores_than_parts_leaves_some_idle(void **state)
{
    (void)state;
    make_machine(2, 128);
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.shard_count, PLAN_PARTS_MAX);
    assert_int_equal(plan.rx_count, 16);
}

static void list(uint32_t core, bool rx, bool shard)
{
    conf.lcores_auto = false;
    conf.lcores[conf.lcore_count++] =
        (struct conf_lcore){.core = core, .rx = rx, .shard = shard, .place = {7, 5}};
}

static void listed_cores_do_what_they_are_told(void **state)
{
    (void)state;
    make_machine(1, 4);
    list(1, true, false);
    list(2, false, true);
    list(3, false, true);
    conf.control_core = 3;
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.control_core, 3);
    assert_int_equal(plan.rx_count, 1);
    assert_int_equal(plan.shard_count, 2);
    assert_int_equal(plan.cores[0].shard, -1);
    assert_int_equal(plan.cores[1].rx_count, 0);
}

static void who_writes_is_where_the_disk_interrupts(void **state)
{
    (void)state;
    make_machine(1, 4);
    machine.disk_core = 2;
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    assert_int_equal(plan.control_core, 2);
    assert_int_equal(plan.core_count, 3);
    for (uint32_t c = 0; c < plan.core_count; c++)
        assert_int_not_equal(plan.cores[c].core, 2);
    conf.control_core = 1; /* unless it was told otherwise */
    assert_int_equal(plan_control_core(&conf, &machine), 1);
    conf.control_core = -1;
    machine.disk_core = 7; /* or may not be there */
    assert_int_equal(plan_control_core(&conf, &machine), 0);
    machine.disk_core = 2; /* or is to poll */
    list(0, true, true);
    list(2, true, true);
    assert_int_equal(plan_control_core(&conf, &machine), 1);
    list(1, true, true);
    list(3, true, true);
    assert_int_equal(plan_control_core(&conf, &machine), 0);
}

/* printed returns what plan_print writes; to be freed. */
static char *printed(void)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(plan_make(&conf, &machine, &plan, error), 0);
    plan_print(&plan, &conf, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void who_polls_where_the_disk_interrupts_is_warned_of(void **state)
{
    (void)state;
    make_machine(1, 2);
    machine.disk_core = 1;
    char *text = printed();
    assert_non_null(strstr(text, "plan: core 1: control, journals, sinks, and the interrupts"));
    assert_null(strstr(text, "warning"));
    free(text);
    conf.control_core = 0;
    text = printed();
    assert_non_null(strstr(text, "warning: core 1 polls, and the disk under data_dir interrupts"));
    free(text);
    machine.disk_core = INTERRUPTS_SPREAD;
    text = printed();
    assert_null(strstr(text, "warning"));
    assert_null(strstr(text, "interrupts"));
    free(text);
}

static void faults_name_the_line_and_the_fix(void **state)
{
    (void)state;
    make_machine(1, 2);
    list(9, true, true);
    assert_int_equal(plan_make(&conf, &machine, &plan, error), -22);
    assert_non_null(strstr(error, "t.yaml:7:5: error: core 9"));

    setup(NULL);
    make_machine(1, 2);
    list(1, true, false);
    assert_int_equal(plan_make(&conf, &machine, &plan, error), -22);
    assert_non_null(strstr(error, "run: [shard]"));

    setup(NULL);
    make_machine(1, 2);
    list(1, false, true);
    assert_int_equal(plan_make(&conf, &machine, &plan, error), -22);
    assert_non_null(strstr(error, "run: [rx]"));

    setup(NULL);
    make_machine(1, 3);
    machine.ports[0].queues_max = 1;
    list(1, true, true);
    list(2, true, true);
    assert_int_equal(plan_make(&conf, &machine, &plan, error), -22);
    assert_non_null(strstr(error, "no port has a queue left"));

    setup(NULL);
    make_machine(1, 2);
    conf.control_core = 5;
    assert_int_equal(plan_make(&conf, &machine, &plan, error), -22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_core_does_everything, setup),
        cmocka_unit_test_setup(two_cores_leave_the_first_to_control, setup),
        cmocka_unit_test_setup(two_sockets_receive_where_the_port_is, setup),
        cmocka_unit_test_setup(four_sockets_two_ports_each_on_its_own, setup),
        cmocka_unit_test_setup(no_more_rx_parts_than_queues, setup),
        cmocka_unit_test_setup(a_port_on_a_node_without_workers_is_served_from_another, setup),
        cmocka_unit_test_setup(more_cores_than_parts_leaves_some_idle, setup),
        cmocka_unit_test_setup(listed_cores_do_what_they_are_told, setup),
        cmocka_unit_test_setup(who_writes_is_where_the_disk_interrupts, setup),
        cmocka_unit_test_setup(who_polls_where_the_disk_interrupts_is_warned_of, setup),
        cmocka_unit_test_setup(faults_name_the_line_and_the_fix, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
